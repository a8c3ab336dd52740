"""An output tree looked after: checked file by file (`tree_check`), and what is damaged made again (`mending`)."""
