using Xunit;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary><see cref="EndToEndFactAttribute"/> with data.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class EndToEndTheoryAttribute : TheoryAttribute
{
    /// <inheritdoc cref="EndToEndFactAttribute.SlirpnetOnly"/>
    public bool SlirpnetOnly { get; set; }

    /// <inheritdoc cref="EndToEndFactAttribute.Tools"/>
    public string Tools { get; set; } = "";

    /// <inheritdoc cref="EndToEndFactAttribute.OtherUsers"/>
    public bool OtherUsers { get; set; }

    public override string? Skip
    {
        get => base.Skip ?? SkipReason.Of(SlirpnetOnly, Tools, OtherUsers);
        set => base.Skip = value;
    }
}
