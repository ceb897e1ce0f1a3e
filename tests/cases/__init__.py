"""What newcomers to this field brought and met, each case rebuilt by a script, with its command and the right outcome.

python -m tests.cases FOLDER builds the inputs of all cases there, to be tried by hand.
"""
