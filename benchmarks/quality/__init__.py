"""Quality as numbers: whose face the result shows, what of the target it kept, how steady and how real it looks."""
