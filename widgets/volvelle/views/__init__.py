"""The anywidgets: a result, controls and traits; a folder for each subject."""
