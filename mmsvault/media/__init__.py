"""What a file is, found out from its bytes and in a child process that may die of them.

`facts` is what comes back, `playing` what a browser shows of it. `sniffing` (with `charsets` and
`charset_names`) tells the type, `answers` whether what came is the file at all. What decodes is loaded
in the child alone: `images` (with `decoders`, `bitmaps`, `pixels` and `exif`), `recordings` (film and
sound, with `tracks` and `frames`), `documents`, `cards` (contacts and appointments, taken apart by
`content_lines`), `slides` (SMIL), and `previews` of them; `inspecting` puts them together.
`sandbox` runs it in a `child` that `confining` has taken rights from (`system_calls` lists which); what
it sends comes as `child_frames` and is read as `child_answers` says. `preload` is what it begins with.

A file that cannot be read is a fact about the file, with its reason in plain words, never an error of
the job.
"""
