"""The commands, one module each: `NAME`, `add_parser(sub)`, which adds the command's own parser, and `run(args)`.

`run` returns the exit status. Standard output is data, standard error is talk.
"""
