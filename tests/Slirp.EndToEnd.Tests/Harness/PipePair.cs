using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>A pipe whose ends no child inherits unless it is given one by number.</summary>
internal sealed class PipePair : IDisposable
{
    public PipePair()
    {
        var descriptors = new int[2];
        if (Native.pipe2(descriptors, Native.OpenCloseOnExec) != 0)
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "pipe2");
        Read = new SafeFileHandle(descriptors[0], ownsHandle: true);
        Write = new SafeFileHandle(descriptors[1], ownsHandle: true);
    }

    public SafeFileHandle Read { get; }

    public SafeFileHandle Write { get; }

    public void Dispose()
    {
        Read.Dispose();
        Write.Dispose();
    }
}
