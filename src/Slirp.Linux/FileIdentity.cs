namespace Slirp.Linux;

/// <summary>Which file it is, whatever its name: two that exist at the same time have different ones.</summary>
public readonly record struct FileIdentity(ulong Device, ulong Inode);
