"""What a file is, found out from its bytes and in a child process that may die of them.

`inspecting` is what the child does: `sniffing` tells the type, `images` makes the thumbnail.
`sandbox` runs it with limits. A file that cannot be read is a fact about the file, with its reason
in plain words, never an error of the job.
"""
