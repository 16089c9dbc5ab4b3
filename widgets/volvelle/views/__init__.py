"""The anywidgets: a result, controls and traits. One view, one file."""
