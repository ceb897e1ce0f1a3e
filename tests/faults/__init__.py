"""Hand-made faults, each of which the tests have to catch.

    python -m tests.faults                  # all of them; exit 1 if one is not caught
    python -m tests.faults 03-resume        # those whose name begins so

A fault is a patch of a few lines of the packages. Its first two lines say what it breaks and which test catches it. It
is applied to a copy of the tree, in which that test has to fail; in the unchanged copy it has to pass.
"""
