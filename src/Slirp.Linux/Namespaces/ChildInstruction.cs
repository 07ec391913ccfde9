using System.Runtime.InteropServices;

namespace Slirp.Linux.Namespaces;

/// <summary>One system call of a <see cref="ChildProgram"/>, with what to do about its outcome. Plain octets: the child
/// reads it without calling anything.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ChildInstruction
{
    /// <summary>Targets of <see cref="OnSuccess"/> and <see cref="OnError"/> besides instruction numbers.</summary>
    internal const int Next = -1, Fail = -2, ReturnInParent = -3;

    internal const int RegisterCount = 32, NoRegister = -1;

    public nint Number;
    public fixed long Arguments[6];

    /// <summary>Bit i: argument i is the number of a register and not a value.</summary>
    public uint RegisterArguments;

    /// <summary>Where a result that is not negative goes.</summary>
    public int ResultRegister;

    /// <summary>Where else it goes, as an int: into a control message prepared beforehand. Null: nowhere.</summary>
    public int* StoreResult;

    /// <summary>What the report names when this call fails.</summary>
    public int Step;

    public int OnSuccess;

    /// <summary>Where an error leads, after it was noted under <see cref="Step"/>.</summary>
    public int OnError;

    /// <summary>If not 0: the only errno for which <see cref="OnError"/> holds.</summary>
    public int OnlyErrno;

    /// <summary>Where any other errno than <see cref="OnlyErrno"/> leads.</summary>
    public int OnOtherError;

    /// <summary>If not 0: a result of zero is an error too (the parent closed its end).</summary>
    public int ZeroIsEnd;
}

/// <summary>What the child tells, in memory shared with its parent: it stands there whatever became of the child.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ChildReport
{
    internal const int StepCapacity = 512;

    /// <summary>The step that failed and its errno; 0 while none did.</summary>
    public int FailedStep;
    public int FailedErrno;

    /// <summary>The process descriptor that clone wrote (CLONE_PIDFD), else -1.</summary>
    public int PidFd;

    public fixed long Registers[ChildInstruction.RegisterCount];

    /// <summary>For each step the errno that its last call had, 0 if it succeeded or was not reached.</summary>
    public fixed int Errnos[StepCapacity];
}
