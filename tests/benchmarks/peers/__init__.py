"""The same work as a good engineer would write it by hand, in the style of each library."""
