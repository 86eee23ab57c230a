package oci

import (
	"bytes"
	"context"
	"io"
)

// ReadLayer gives a layer's bytes, verified, from wherever they are: Layer.Data, the store, or the place that the
// artifact was inspected at.
func (c *Client) ReadLayer(ctx context.Context, layer *Layer, options ...Option) ([]byte, error) {
	if err := layer.readable(); err != nil {
		return nil, err
	}
	if layer.Data != nil {
		return layer.Data, nil
	}
	v := c.verb(request{action: actionReadLayer}, options)
	data, err := v.readLayer(ctx, layer)
	if err != nil {
		return nil, v.failed(ctx, err)
	}
	return data, nil
}

// WriteLayer writes a layer's bytes to w as they come, in bounded memory. They are verified: what w got is the
// layer once nil is returned, and not before.
func (c *Client) WriteLayer(ctx context.Context, w io.Writer, layer *Layer, options ...Option) error {
	if err := layer.readable(); err != nil {
		return err
	}
	if layer.Data != nil {
		_, err := w.Write(layer.Data)
		return err
	}
	v := c.verb(request{action: actionReadLayer}, options)
	err := v.saveLayer(ctx, layer, func(r io.Reader) error {
		_, err := io.Copy(w, r)
		return err
	})
	if err != nil {
		return v.failed(ctx, err)
	}
	return nil
}

// OpenLayer gives a reader of a layer's bytes, in bounded memory. They are verified: what was read is the layer once
// io.EOF comes, and not before. The context counts until Close, which ends the transfer; functions of
// [WithProgress] and [WithWarnings] are called in another goroutine than the caller's.
func (c *Client) OpenLayer(ctx context.Context, layer *Layer, options ...Option) (io.ReadCloser, error) {
	if err := layer.readable(); err != nil {
		return nil, err
	}
	if layer.Data != nil {
		return io.NopCloser(bytes.NewReader(layer.Data)), nil
	}
	ctx, cancel := context.WithCancel(ctx)
	reader, writer := io.Pipe()
	opened := &openedLayer{PipeReader: reader, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(opened.ended)
		_ = writer.CloseWithError(c.WriteLayer(ctx, writer, layer, options...))
	}()
	return opened, nil
}

// openedLayer is a layer that is being read.
type openedLayer struct {
	*io.PipeReader
	cancel context.CancelFunc
	ended  chan struct{}
}

// Close ends the transfer; nothing of it is under way once it returns.
func (l *openedLayer) Close() error {
	l.cancel()
	err := l.PipeReader.Close()
	<-l.ended
	return err
}

// readable says why a layer has no bytes to read.
func (l *Layer) readable() error {
	if l == nil || (l.Data == nil && l.source == nil) {
		return &Error{Code: CodeArgument, Message: "the layer has no Data and was neither built nor inspected"}
	}
	return nil
}

// readLayer gives a layer's bytes from where the library has them, so that they are in memory once.
func (v *verb) readLayer(ctx context.Context, layer *Layer) ([]byte, error) {
	data := bytes.NewBuffer(make([]byte, 0, layer.source.size()+bytes.MinRead))
	if err := v.saveLayer(ctx, layer, func(r io.Reader) error {
		_, err := data.ReadFrom(r)
		return err
	}); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}

// fill puts the layers' bytes into an artifact that was built. Reading back is no progress of the build, and a
// build's options are not its own.
func (v *verb) fill(ctx context.Context, artifact *Artifact) (err error) {
	for i := range artifact.Layers {
		if artifact.Layers[i].Data != nil {
			continue
		}
		quiet := &verb{client: v.client, settings: &settings{timeout: v.settings.timeout}, request: request{action: actionReadLayer}}
		if artifact.Layers[i].Data, err = quiet.readLayer(ctx, &artifact.Layers[i]); err != nil {
			return err
		}
	}
	return nil
}
