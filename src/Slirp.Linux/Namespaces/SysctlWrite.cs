namespace Slirp.Linux.Namespaces;

/// <summary>A value for a file under /proc/sys, written from inside the namespace; a refusal is reported, never fatal.</summary>
public readonly record struct SysctlWrite(string Path, string Value);

/// <summary>Something that was tried inside a namespace, could be done without, and failed.</summary>
public readonly record struct NamespaceWarning(string Step, string Subject, Errno Errno)
{
    public override string ToString() => $"{Step} on {Subject}: {Errno.Describe()}";
}
