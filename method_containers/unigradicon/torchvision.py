"""Stands in for torchvision, which icon_registration imports and uses for its examples only."""
