"""`python -m mmsvault.cli`: the same as the command `mmsvault`."""

from mmsvault.cli import main

if __name__ == "__main__":
    main()
