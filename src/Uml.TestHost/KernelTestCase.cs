using System.ComponentModel;
using Xunit.Sdk;
using Xunit.v3;

namespace Uml.CI.TestHost;

/// <summary>A test case that names the kernel of its guests, or leaves it to the default.</summary>
internal interface IKernelTestCase
{
    /// <summary>The reference; null for the default.</summary>
    string? Kernel { get; }
}

/// <summary>A case of a <see cref="KernelFactAttribute"/>, or one row of a <see cref="KernelTheoryAttribute"/>.</summary>
internal sealed class KernelTestCase : XunitTestCase, IKernelTestCase, ISelfExecutingXunitTestCase
{
    [EditorBrowsable(EditorBrowsableState.Never)]
    [Obsolete("For xunit's deserializer.")]
    public KernelTestCase()
    {
    }

    public KernelTestCase(KernelCaseDetails details, string? kernel, Dictionary<string, HashSet<string>> traits, object?[]? arguments = null)
        : base(details.Method, details.Name(kernel), details.Id(kernel), details.Explicit, details.SkipExceptions, details.SkipReason, details.SkipType, details.SkipUnless, details.SkipWhen, KernelCaseDetails.Traits(traits, kernel), arguments, details.File, details.Line, details.Timeout) =>
        Kernel = kernel;

    public string? Kernel { get; private set; }

    public ValueTask<RunSummary> Run(ExplicitOption explicitOption, IMessageBus messageBus, object?[] constructorArguments, ExceptionAggregator aggregator, CancellationTokenSource cancellationTokenSource) =>
        XunitRunnerHelper.RunXunitTestCase(this, new CompletingMessageBus(messageBus), cancellationTokenSource, aggregator, explicitOption, constructorArguments);

    protected override void Serialize(IXunitSerializationInfo info)
    {
        base.Serialize(info);
        info.AddValue("kernel", Kernel);
    }

    protected override void Deserialize(IXunitSerializationInfo info)
    {
        base.Deserialize(info);
        Kernel = info.GetValue<string>("kernel");
    }
}

/// <summary>A <see cref="KernelTheoryAttribute"/> whose rows are not known before it runs.</summary>
internal sealed class KernelTheoryTestCase : XunitDelayEnumeratedTheoryTestCase, IKernelTestCase, ISelfExecutingXunitTestCase
{
    [EditorBrowsable(EditorBrowsableState.Never)]
    [Obsolete("For xunit's deserializer.")]
    public KernelTheoryTestCase()
    {
    }

    public KernelTheoryTestCase(KernelCaseDetails details, string? kernel, bool skipWithoutData, Dictionary<string, HashSet<string>> traits)
        : base(details.Method, details.Name(kernel), details.Id(kernel), details.Explicit, skipWithoutData, details.SkipExceptions, details.SkipReason, details.SkipType, details.SkipUnless, details.SkipWhen, KernelCaseDetails.Traits(traits, kernel), details.File, details.Line, details.Timeout) =>
        Kernel = kernel;

    public string? Kernel { get; private set; }

    public ValueTask<RunSummary> Run(ExplicitOption explicitOption, IMessageBus messageBus, object?[] constructorArguments, ExceptionAggregator aggregator, CancellationTokenSource cancellationTokenSource) =>
        XunitRunnerHelper.RunXunitTestCase(this, new CompletingMessageBus(messageBus), cancellationTokenSource, aggregator, explicitOption, constructorArguments);

    protected override void Serialize(IXunitSerializationInfo info)
    {
        base.Serialize(info);
        info.AddValue("kernel", Kernel);
    }

    protected override void Deserialize(IXunitSerializationInfo info)
    {
        base.Deserialize(info);
        Kernel = info.GetValue<string>("kernel");
    }
}

/// <summary>Completes the messages of failed tests on their way.</summary>
internal sealed class CompletingMessageBus(IMessageBus next) : IMessageBus
{
    public bool QueueMessage(IMessageSinkMessage message)
    {
        FailureMessage.Complete(message);
        return next.QueueMessage(message);
    }

    // It belongs to whoever made it.
    public void Dispose()
    {
    }
}
