"""What people do, said in words: captions, interactions and summaries from trajectories and frames."""
