"""Removes each guard and safety check of plan and apply by a one-line patch, and sees which test turns red."""
