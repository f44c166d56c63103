"""What Streamlit runs for every visitor, and again at every change: it chooses the page."""

from dashboard.pages import show

show()
