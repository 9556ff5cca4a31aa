"""The tutorial page as a transcript, and `podyard demo`, which plays it in a throw-away cluster.

`transcript.py` says what a step is, `page.py` is the list of them: data. `player.py` types a step and
looks at what comes, through `terminal.py` where the page has a prompt. `stage.py` is the throw-away
cluster. The whole-cluster tests play the same list, with every kubectl.
"""
