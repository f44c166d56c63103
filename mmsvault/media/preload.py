"""All that a decoder's child uses, loaded: what the server of children imports before it forks any.

A child is then ready within milliseconds, and shares the memory of it. The worker never imports this.
"""

from PIL import Image

from mmsvault.media import inspecting, sandbox

__all__ = ["inspecting", "sandbox"]

Image.init()  # else each child loads every format of Pillow's with its first thumbnail
