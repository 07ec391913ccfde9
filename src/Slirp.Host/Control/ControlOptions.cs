namespace Slirp.Host.Control;

/// <summary>What the control server puts up with; tests shorten some.</summary>
public sealed record ControlOptions
{
    /// <summary>From connecting to a whole request, and again for taking the reply.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a client may take to close after it has the whole reply. Closing at once while it still writes
    /// would make its read fail with ECONNRESET (unix(7)).</summary>
    public TimeSpan Farewell { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Told of a request that our own code could not cope with.</summary>
    public Action<string> Warn { get; init; } = static _ => { };

    /// <summary>Clients at once; one more is told so and closed.</summary>
    public int MaxClients { get; init; } = 256;
}
