"""Method folders: made from templates, built into images, checked, and given their weights."""
