using System.Diagnostics;
using System.Globalization;

namespace Slirp.Linux.Tests.Support;

/// <summary>A process that sits in a user and a network namespace of its own until it is disposed.</summary>
public sealed class NamespaceHolder : IDisposable
{
    private readonly Process _process;

    /// <param name="asNobody">Made by the user nobody (needs root to become that).</param>
    /// <param name="withUser">False makes a network namespace only (needs root).</param>
    public NamespaceHolder(bool asNobody = false, bool withUser = true)
    {
        var start = new ProcessStartInfo { RedirectStandardOutput = true, RedirectStandardInput = true };
        string[] become = asNobody ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
        string[] make = withUser ? ["unshare", "-r", "-n"] : ["unshare", "-n"];
        string[] command = [.. become, .. make, "sh", "-c", "echo ready; read line"]; // each of these executes the next: one process
        start.FileName = command[0];
        for (int i = 1; i < command.Length; i++) start.ArgumentList.Add(command[i]);
        _process = Process.Start(start) ?? throw new InvalidOperationException("unshare did not start");
        if (_process.StandardOutput.ReadLine() != "ready") throw new InvalidOperationException("no namespace");
        FirstInterfaces = All();
    }

    public int Pid => _process.Id;
    public string UserPath => string.Create(CultureInfo.InvariantCulture, $"/proc/{Pid}/ns/user");
    public string NetworkPath => string.Create(CultureInfo.InvariantCulture, $"/proc/{Pid}/ns/net");

    /// <summary>What every new namespace has: lo, and what modules like sit and ipip put there.</summary>
    public string[] FirstInterfaces { get; }

    /// <summary>Names of the interfaces that have come to the namespace.</summary>
    public string[] Interfaces() => [.. All().Except(FirstInterfaces)];

    private string[] All()
    {
        string[] lines = File.ReadAllLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{Pid}/net/dev"));
        return lines.Skip(2).Select(line => line.Split(':')[0].Trim()).Order().ToArray();
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
