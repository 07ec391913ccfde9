namespace Slirp.Testing;

/// <summary>Pearson's test of whether numbers are spread evenly.</summary>
public static class ChiSquare
{
    /// <param name="bins">How many fell into each; the degrees of freedom are one less than there are bins.</param>
    public static double Of(ReadOnlySpan<int> bins)
    {
        double count = 0, sum = 0;
        foreach (int bin in bins) count += bin;
        double expected = count / bins.Length;
        foreach (int bin in bins) sum += (bin - expected) * (bin - expected) / expected;
        return sum;
    }
}
