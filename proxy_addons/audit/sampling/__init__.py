"""Dip sampling: who is looked at by chance, so that nobody can choose (Inf/27 4.1.1, 4.2.4).

In: a plan, a roster, two secrets. Out: a draw that anybody can replay, samples to review, figures.
Must never: let one person steer a draw; say that nothing was wrong where nothing was found.
"""
