"""`python -m dashboard`: the gallery, until SIGTERM."""

from dashboard.main import run
from mmsvault.starting import start

if __name__ == "__main__":
    start(run)
