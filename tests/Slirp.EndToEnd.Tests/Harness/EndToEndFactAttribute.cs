using Xunit;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>A test that needs namespaces; skipped by name where they, or a tool it uses, are missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class EndToEndFactAttribute : FactAttribute
{
    /// <summary>The test is about what slirp4netns lacks or does wrongly, so it is not asked.</summary>
    public bool SlirpnetOnly { get; set; }

    /// <summary>Programs the test runs, by comma.</summary>
    public string Tools { get; set; } = "";

    /// <summary>It needs users beside the one of a plain user's user namespace, or rights over what is not that user's.</summary>
    public bool OtherUsers { get; set; }

    public override string? Skip
    {
        get => base.Skip ?? SkipReason.Of(SlirpnetOnly, Tools, OtherUsers);
        set => base.Skip = value;
    }
}
