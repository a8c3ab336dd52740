"""Datasets that the harness makes, imports or looks over: `lumirage-harness dataset phantom|import|check`."""
