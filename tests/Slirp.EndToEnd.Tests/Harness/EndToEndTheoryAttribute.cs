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

    public override string? Skip
    {
        get => base.Skip ?? SkipReason.Of(SlirpnetOnly, Tools);
        set => base.Skip = value;
    }
}
