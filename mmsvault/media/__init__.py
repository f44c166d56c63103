"""What a file is, found out from its bytes and in a child process that may die of them.

`facts` is what comes back, `playing` what a browser shows of it. `sniffing` (with `charsets`) tells
the type. What decodes is loaded in the child alone: `images`, `recordings` (film and sound),
`documents`, `cards` (contacts and appointments), `slides` (SMIL), and `previews` of them;
`inspecting` puts them together. `sandbox` runs it in a `child` that `confining` has taken rights from
(`system_calls` lists which); its answers come as `frames` and are read as `answers` says.

A file that cannot be read is a fact about the file, with its reason in plain words, never an error of
the job.
"""
