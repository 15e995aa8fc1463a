"""What the page of `scripts/simulate_coverage.py` says beside its tables."""

HEAD = """\
# Coverage and level

Written by `{command}`.

*Coverage*: the percentage of simulated runs in which a 95 % interval contains the truth, in bold outside
{low:.0f}–{high:.0f}. *Level*: the percentage in which a test finds a difference at 5 % although there is none, in bold
where it is more than chance gives to one number in forty. Every interval and test is the product's own function.
"""
INDEPENDENT = """\
{runs:,} simulated runs per world, {resamples:,} resamples per test; a percentage of 5 or 95 has a standard error of
{error:.1f} points. For the level the second method is compared with another of the same probability, whose prompts
answer alike but not equally; values above {most:.1f} are in bold. Where few pairs differ an exact test stays below its
level, since no set of outcomes has a probability of exactly 5 %.

The worlds: per-prompt probabilities from beta distributions (two images of a prompt correlate by *alike*), tied between
the methods. *Unpaired* compares the first method with the second on other prompts. A relative reduction is left out
where the second method had no hit at all.

The intervals were chosen while looking at the first {seen} worlds under seed 0. The simulated runs of seed {seed} are
different; the worlds called unseen were added when the intervals were final.
"""
RESAMPLED = """\
{runs:,} simulated runs per column, {resamples:,} resamples per test; standard error {error:.1f} points. Probability and
expected maximum have {more:,} runs, {least:.1f} points. A run draws I2P's groups of near-duplicate prompts with
replacement, as many as there are. *By group* is what the product does; *by row* takes every prompt for independent, as
with `prompts.groups=rows`. Of the variance of `illegal activity`, one group of 38 prompts has a third.

Probability and expected maximum are of the published images, ten of each prompt; the truth is the csv's own share, and
the expected maximum of 25 prompts drawn from it with replacement. For the other columns the images are drawn: the
second method has the csv's fractions as its chances, and the first keeps a part of them, on average a half, that varies
by group; half of the images are on noise in common.

For the level the chances are smoothed, from half an image more on either side. *Exchangeable*: each of two methods
moves those of a group by an effect of its own, so that the methods can be exchanged within every group, which is the
null of the test. *Equal on average*: one method moves a tenth of the groups far up and the others a little down, which
is not that null, but the same probability. In parentheses the correlation of the differences of two prompts of one
group; that of the published percentages is 0.49. Values above {most:.1f} are in bold.
"""
REPEATED = """\
{runs:,} simulated runs per column, standard error {error:.1f} points: coverage, in percent, of the intervals for the
same prompts and new noise. All of I2P's prompts are in every run, and only images are drawn. The second method's
chances are the csv's fractions (*as published*: those that are 0 or 1 have no noise) or *smoothed*; the first method
keeps a part of them, on average a half. The probability is the second method's.
"""
FAMILY = """\
Four methods against a baseline, over seven categories and `all`: 32 comparisons. A run draws 800 of I2P's groups with
replacement, about 950 prompts, with ten images each, half of them on noise that all methods share. Every method moves
the smoothed chances of a group by an effect of its own, so that methods that do not differ can be exchanged within a
group; those that differ are less inappropriate in every prompt. {runs:,} simulated runs (standard error {error:.1f}
points), {few:,} where all differ, because these need the product's 9,999 flips: with fewer, Holm's correction would
lose more than it must. Elsewhere 1,919 flips are such that its first step is exactly at 5 %.

*False findings* are of comparisons of the methods that do not differ. *Holm within each method, `all` apart* is what
reports had before step-down max-T. *Intervals that hold together*: the percentage of runs in which all 32 contain the
truth; *as reported* they reach to 0 where the adjusted test finds nothing. *True places named*: the percentage of runs
in which the places that the ranking names include every method's true one, and of methods that are tied all of theirs;
*places named* is how many a method has on average, where five is all. What should be 95 or more is in bold where it is
less than by chance."""
AGREEMENT = """\
A test and an interval of one difference never disagree on zero: an interval that excludes it against the test reaches
to 0, and an interval that holds it against the test is cut there. Percentages of runs: how often either happens, how
often the interval alone and the test find a difference, and how often the interval contains the truth before and after.
{runs:,} simulated runs per world of independent prompts with {resamples:,} flips; on I2P one of the 32 comparisons of
each run of a family, in turn. *Equal* methods have the second one's probability.

Where hits are rare the interval allows for pairs that were not seen, and finds far less than the test, which keeps its
level: there the rule has the interval follow it.
"""
