namespace Slirp.EndToEnd.Tests.Harness;

internal static class SkipReason
{
    public static string? Of(bool slirpnetOnly, string tools, bool otherUsers = false)
    {
        if (Machine.Refusal() is { } refusal) return refusal;
        if (slirpnetOnly && Machine.IsSlirp4netns) return "slirp4netns does not do this";
        if (otherUsers && Machine.AsUser.Length == 0) return "needs users beside the one that this user namespace has";
        foreach (string tool in tools.Split(',', StringSplitOptions.RemoveEmptyEntries))
            if (!Machine.Has(tool))
                return $"needs {tool}; remedy: tools/debian-packages test";
        return null;
    }
}
