"""A world of few people who do something with each other: acts with a beginning, an end, roles and true words."""
