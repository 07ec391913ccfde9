namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>A step of a test did not work; the text names it.</summary>
public sealed class EndToEndException : Exception
{
    public EndToEndException()
    {
    }

    public EndToEndException(string message)
        : base(message)
    {
    }

    public EndToEndException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
