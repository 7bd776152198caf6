"""Mails: the section `mail`, and the form of conf/mails/<name>.yaml."""
