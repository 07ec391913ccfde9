using Slirp.Host.Forwards;
using Slirp.Linux;

namespace Slirp.Cli;

/// <summary>What is said when a start fails.</summary>
internal static class StartFailure
{
    /// <returns>One line; null for what only a mistake of ours can have thrown.</returns>
    public static string? Describe(Exception e) => Cause(e) switch
    {
        OutboundException own => own.Message, // in slirp4netns's own words, which name nobody
        LinuxException or ForwardException => $"slirpnet: {Cause(e).Message}",
        // The runtime's own steps (files, threads, signals): what fails there is out of our hands.
        IOException or UnauthorizedAccessException or OutOfMemoryException or ThreadStartException =>
            $"slirpnet: start: {WithoutStop(Cause(e).Message)}; if it is a shortage of memory, processes or descriptors, 'ulimit -a' shows the limits",
        _ => null,
    };

    /// <summary>What a type's initializer threw comes wrapped.</summary>
    private static Exception Cause(Exception e) => e is TypeInitializationException { InnerException: Exception inner } ? Cause(inner) : e;

    private static string WithoutStop(string message) => message.ReplaceLineEndings(" ").TrimEnd('.');
}
