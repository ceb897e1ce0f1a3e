"""Shows that the working tree computes, bit for bit, what an older commit computed.

    python -m tests.equal_computation                       # exit 0: all equal, 10: a difference
    python -m tests.equal_computation --reuse --case muon   # again, with the older commit's findings of the last time
    python -m tests.equal_computation --control             # exit 0: changed seeds are reported as a difference

The older commit (edbacf6) is checked out by `git worktree` and trains in processes of its own; so does the working
tree, with the same number of threads and the same instruction set. Each goes through its adapter: `old_adapter` speaks
the older commit's API and never changes, `new_adapter` speaks the working tree's. `cases` says what they train,
`probe` writes down the SHA-256 of each batch, each step's loss as a hexadecimal float, and the SHA-256 of weights, EMA
and optimizer state; `comparison` finds the first difference. Names of parameters are not compared, since a move of code
may change them.
"""
