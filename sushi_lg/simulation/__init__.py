"""A world of people to study trackers in: clothing, motion, light, camera, and what a detector makes of them."""
