"""laws.py runs in processes of its own: Keras keeps one backend for life."""

import os

collect_ignore = [] if "KERAS_BACKEND" in os.environ else ["laws.py"]
