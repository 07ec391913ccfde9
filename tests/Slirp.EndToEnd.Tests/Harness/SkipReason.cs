namespace Slirp.EndToEnd.Tests.Harness;

internal static class SkipReason
{
    public static string? Of(bool slirpnetOnly, string tools)
    {
        if (Machine.Refusal() is { } refusal) return refusal;
        if (slirpnetOnly && Machine.IsSlirp4netns) return "slirp4netns does not do this";
        foreach (string tool in tools.Split(',', StringSplitOptions.RemoveEmptyEntries))
            if (!Machine.Has(tool))
                return $"needs {tool}; remedy: tools/debian-packages test";
        return null;
    }
}
