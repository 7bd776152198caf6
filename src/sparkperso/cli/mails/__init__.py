"""`sparkperso render-emails`: mails for many people."""
