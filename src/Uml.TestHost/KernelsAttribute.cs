using Xunit.v3;

namespace Uml.CI.TestHost;

/// <summary>
/// The kernels of a <see cref="KernelFactAttribute"/> or <see cref="KernelTheoryAttribute"/>, or of all of a class or assembly that
/// name none themselves. The nearest one counts.
/// </summary>
/// <param name="kernel">A reference, as <see cref="KernelReference"/> reads it.</param>
/// <param name="more">Further ones.</param>
[AttributeUsage(AttributeTargets.Assembly | AttributeTargets.Class | AttributeTargets.Method)]
public sealed class KernelsAttribute(string kernel, params string[] more) : Attribute
{
    /// <summary>The kernels.</summary>
    public IReadOnlyList<string> Kernels { get; } = [kernel, .. more];

    /// <summary>The attribute that counts for a method; null if there is none.</summary>
    internal static KernelsAttribute? Of(IXunitTestMethod method) =>
        Find(method.Method)
        ?? Find(method.TestClass.Class)
        ?? (KernelsAttribute?)GetCustomAttribute(method.TestClass.Class.Assembly, typeof(KernelsAttribute));

    private static KernelsAttribute? Find(System.Reflection.MemberInfo member) => (KernelsAttribute?)GetCustomAttribute(member, typeof(KernelsAttribute));
}

/// <summary>A test attribute that may name kernels.</summary>
internal interface IKernelsOfTest
{
    /// <summary>The kernels; empty for those of <see cref="KernelsAttribute"/>.</summary>
    IReadOnlyList<string> Kernels { get; }
}

/// <summary>The kernel of the test that runs.</summary>
public static class KernelOfTest
{
    /// <summary>The kernel that <see cref="KernelFactAttribute"/> or <see cref="KernelTheoryAttribute"/> runs the test on; null if they name none.</summary>
    public static KernelReference? Current => (Xunit.TestContext.Current.TestCase as IKernelTestCase)?.Kernel is { } kernel ? KernelReference.Parse(kernel) : null;

    /// <summary>Puts the kernel of the test into a builder.</summary>
    /// <exception cref="InvalidOperationException">The test is to run on several kernels, but its attribute runs it once.</exception>
    internal static GuestBuilder Apply(GuestBuilder builder)
    {
        Xunit.ITestContext context = Xunit.TestContext.Current;
        if (context.TestCase is IKernelTestCase)
            return Current is { } kernel ? builder.WithKernel(kernel) : builder;
        // Passing on one kernel would look like passing on all.
        if (context.TestMethod is IXunitTestMethod method && KernelsAttribute.Of(method) is not null)
            throw new InvalidOperationException($"{method.MethodName} has the kernels of a [Kernels] attribute but runs once: make it a [KernelFact] or [KernelTheory].");
        return builder;
    }
}
