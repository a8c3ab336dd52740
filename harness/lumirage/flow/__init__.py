"""The only place where rooms meet: request -> plan -> run -> score -> compare -> report, one module for each stage.

In:     an `EvaluationRequest`, what the user asked for.
Out:    an output tree, and the summary of what lies in it.
Never:  options of the command line, and how a number is made.
Read first: `evaluate`, then the stages in its order. Four folders serve them: `forecast`, `method_setup`, `cluster`,
`upkeep`; the folder `study` carries out several evaluations, `challenge` is a challenge's desk.
"""
