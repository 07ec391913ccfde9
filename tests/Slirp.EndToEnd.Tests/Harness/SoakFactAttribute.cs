using Xunit;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>A test that runs only when somebody asked for it, and as long as was asked.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SoakFactAttribute : FactAttribute
{
    public static int Seconds => Setting.Number("SLIRP_SOAK_SECONDS", 0);

    public override string? Skip
    {
        get => Seconds == 0 ? "a soak takes minutes; start it with tests/soak" : SkipReason.Of(slirpnetOnly: true, "iperf3,ping");
        set => base.Skip = value;
    }
}
