"""`fastrtc-core doctor`: finds what keeps calls from working, and says what to do."""
