"""Words for tracking: descriptions of people and scenes, and what turns them into vectors that teach."""
