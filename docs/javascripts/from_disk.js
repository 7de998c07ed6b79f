// Browsers start no search worker for pages opened from disk: an empty search field would only puzzle.
if (location.protocol === "file:") document.documentElement.classList.add("from-disk");
