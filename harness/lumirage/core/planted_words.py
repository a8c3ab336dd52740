"""What a planted dataset cannot say; told wherever its numbers are shown."""

CAUTION = (
    "These pairs are planted: the fixed image is the moving image itself, warped by a known smooth field, with more noise and "
    "another bias field. The true error is exact, but both images show the same anatomy, which is easier than two people: "
    "these numbers say how well a method recovers such a field on this contrast, not how well it registers two people."
)
KEY = "Caution"
"""Of dataset_description.json."""
