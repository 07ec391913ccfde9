using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Slirp.Linux.Native;

namespace Slirp.Linux.Namespaces;

/// <summary>What a cloned child shall do: a list of system calls, and the memory they point into (see ChildRunner).</summary>
/// <remarks>Written by the parent in order. Labels are instruction numbers: take <see cref="Here"/> before or patch with
/// <see cref="LandSuccess"/> and <see cref="LandError"/> after. The memory is freed with the program: not before the child is gone or has its own copy, which
/// it has from the clone on.</remarks>
internal sealed unsafe class ChildProgram : IDisposable
{
    private readonly List<ChildInstruction> _instructions = [];
    private readonly List<nint> _memory = [];
    private readonly List<StepName> _steps = [new("clone", "this process", null)];
    private ChildReport* _report;
    private ChildInstruction* _sealed;
    private int _end;

    internal ChildProgram()
    {
        _report = (ChildReport*)Libc.MapShared((nuint)sizeof(ChildReport));
        _instructions.Add(new ChildInstruction // clone: completed by ChildRunner.Start
        {
            ResultRegister = ChildInstruction.NoRegister,
            OnSuccess = ChildInstruction.ReturnInParent,
            OnError = ChildInstruction.Fail,
        });
    }

    internal readonly record struct StepName(string Step, string Subject, Func<Errno, string?>? Remedy);

    internal ref readonly ChildReport Report => ref *_report;

    /// <summary>The number of the next instruction.</summary>
    internal int Here => _instructions.Count;

    /// <summary>Names what the following calls do, for the report.</summary>
    internal int Step(string step, string subject, Func<Errno, string?>? remedy = null)
    {
        if (_steps.Count == ChildReport.StepCapacity) throw new InvalidOperationException("too many steps for one child");
        _steps.Add(new StepName(step, subject, remedy));
        return _steps.Count - 1;
    }

    internal StepName NameOf(int step) => _steps[step];

    /// <summary>The errno that a step's last call had.</summary>
    internal Errno ErrnoOf(int step) => (Errno)_report->Errnos[step];

    /// <summary>Appends a call that must succeed.</summary>
    /// <returns>Its number, for <see cref="Change"/> and those that land it.</returns>
    internal int Add(int step, SyscallId call, Argument a0 = default, Argument a1 = default, Argument a2 = default,
        Argument a3 = default, Argument a4 = default, Argument a5 = default, int result = ChildInstruction.NoRegister)
    {
        if (call.Number < 0) throw new PlatformNotSupportedException($"{call.Name} does not exist on this architecture");
        var one = new ChildInstruction
        {
            Number = call.Number,
            Step = step,
            ResultRegister = result,
            OnSuccess = ChildInstruction.Next,
            OnError = ChildInstruction.Fail,
            OnOtherError = ChildInstruction.Fail,
        };
        ReadOnlySpan<Argument> arguments = [a0, a1, a2, a3, a4, a5];
        for (int i = 0; i < arguments.Length; i++)
        {
            one.Arguments[i] = arguments[i].Value;
            if (arguments[i].IsRegister) one.RegisterArguments |= 1u << i;
        }
        _instructions.Add(one);
        return _instructions.Count - 1;
    }

    /// <summary>The instruction, to set what <see cref="Add"/> leaves at its default.</summary>
    internal ref ChildInstruction Change(int instruction) => ref CollectionsMarshal.AsSpan(_instructions)[instruction];

    /// <summary>An error of this call is noted and passed over.</summary>
    internal void IgnoreError(int instruction) => Change(instruction).OnError = ChildInstruction.Next;

    /// <summary>Makes a call's success lead to the next instruction to be appended.</summary>
    internal void LandSuccess(int instruction) => Change(instruction).OnSuccess = Here;

    /// <summary>Makes a call's error lead to the next instruction to be appended.</summary>
    internal void LandError(int instruction) => Change(instruction).OnError = Here;

    internal nint Bytes(ReadOnlySpan<byte> octets)
    {
        void* copy = NativeMemory.AllocZeroed((nuint)Math.Max(octets.Length, 1));
        _memory.Add((nint)copy);
        octets.CopyTo(new Span<byte>(copy, octets.Length));
        return (nint)copy;
    }

    internal nint Value<T>(T value) where T : unmanaged => Bytes(new ReadOnlySpan<byte>(&value, sizeof(T)));

    internal nint String(string text) => Bytes(CString.Encode(text));

    /// <summary>A null-terminated array of strings.</summary>
    internal nint Strings(IReadOnlyList<byte[]> strings)
    {
        Span<nint> pointers = new nint[strings.Count + 1];
        for (int i = 0; i < strings.Count; i++) pointers[i] = Bytes(strings[i]);
        return Bytes(MemoryMarshal.AsBytes(pointers));
    }

    /// <summary>Appends the end: a last word to the parent, then the process's exit. Failures lead here too.</summary>
    internal void End(ChildChannel channel)
    {
        _end = Here;
        IgnoreError(channel.AddSend(this, 0, ChildMessage.End));
        _ = Add(0, Syscalls.exit_group, FailureStatus);
    }

    /// <summary>Copies the list to where the child reads it.</summary>
    internal void Seal(out ChildInstruction* instructions, out int end, out ChildReport* report)
    {
        if (_end == 0) throw new InvalidOperationException("a child's program must have an end");
        if (_sealed == null)
        {
            _sealed = (ChildInstruction*)Bytes(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(_instructions)));
        }
        instructions = _sealed;
        end = _end;
        report = _report;
        Unsafe.InitBlock(_report, 0, (uint)sizeof(ChildReport));
    }

    /// <summary>The exit status of a child that did not execute a command: its report says why.</summary>
    internal const int FailureStatus = 127;

    /// <summary>An exception that names the step at which the child failed.</summary>
    internal LinuxException FailureOf(string? detail = null)
    {
        StepName name = NameOf(_report->FailedStep);
        var errno = (Errno)_report->FailedErrno;
        return new LinuxException(name.Step, name.Subject, errno, name.Remedy?.Invoke(errno), detail);
    }

    public void Dispose()
    {
        foreach (nint one in _memory) NativeMemory.Free((void*)one);
        _memory.Clear();
        if (_report != null) Libc.Unmap(_report, (nuint)sizeof(ChildReport));
        _report = null;
        _sealed = null;
    }

    /// <summary>An argument: a value, or the register that holds it by then.</summary>
    internal readonly record struct Argument(long Value, bool IsRegister)
    {
        public static implicit operator Argument(long value) => new(value, false);
        internal static Argument Register(int number) => new(number, true);
    }
}
