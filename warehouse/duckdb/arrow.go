package duckdb

/*
#include <stdint.h>
#include <stdlib.h>

// Declared here and not taken from duckdb.h, whose Go binding leaves them out
// unless the whole program is built with a tag for them.
struct ArrowSchema;
struct ArrowArray;
void *duckdb_to_arrow_schema(void *options, void **types, const char **names, uint64_t count, struct ArrowSchema *out);
void *duckdb_data_chunk_to_arrow(void *options, void *chunk, struct ArrowArray *out);
*/
import "C"

import (
	"errors"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	duck "github.com/duckdb/duckdb-go-bindings"
)

// schemaToArrow describes columns of these types and names in Arrow.
func schemaToArrow(options duck.ArrowOptions, types []duck.LogicalType, names []string) (*arrow.Schema, error) {
	n := len(types)
	size := C.size_t(max(n, 1)) * C.size_t(unsafe.Sizeof(uintptr(0)))
	cTypes, cNames := C.malloc(size), C.malloc(size)
	defer C.free(cTypes)
	defer C.free(cNames)
	typesRoom, namesRoom := unsafe.Slice((*unsafe.Pointer)(cTypes), n), unsafe.Slice((**C.char)(cNames), n)
	for i := range n {
		typesRoom[i], namesRoom[i] = types[i].Ptr, C.CString(names[i])
	}
	defer func() {
		for _, name := range namesRoom {
			C.free(unsafe.Pointer(name))
		}
	}()
	out := (*cdata.CArrowSchema)(C.calloc(1, C.size_t(unsafe.Sizeof(cdata.CArrowSchema{}))))
	defer C.free(unsafe.Pointer(out))
	defer cdata.ReleaseCArrowSchema(out)
	err := arrowError(C.duckdb_to_arrow_schema(options.Ptr, (*unsafe.Pointer)(cTypes), (**C.char)(cNames), C.uint64_t(n), (*C.struct_ArrowSchema)(unsafe.Pointer(out))))
	if err != nil {
		return nil, err
	}
	return cdata.ImportCArrowSchema(out)
}

// chunkToArrow makes a record of a chunk's rows.
func chunkToArrow(options duck.ArrowOptions, schema *arrow.Schema, chunk duck.DataChunk) (arrow.RecordBatch, error) {
	out := (*cdata.CArrowArray)(C.calloc(1, C.size_t(unsafe.Sizeof(cdata.CArrowArray{}))))
	defer C.free(unsafe.Pointer(out))
	defer cdata.ReleaseCArrowArray(out)
	if err := arrowError(C.duckdb_data_chunk_to_arrow(options.Ptr, chunk.Ptr, (*C.struct_ArrowArray)(unsafe.Pointer(out)))); err != nil {
		return nil, err
	}
	return cdata.ImportCRecordBatchWithSchema(out, schema)
}

// arrowError takes over what a conversion answered.
func arrowError(p unsafe.Pointer) error {
	data := duck.ErrorData{Ptr: p}
	defer duck.DestroyErrorData(&data)
	if duck.ErrorDataHasError(data) {
		return errors.New(duck.ErrorDataMessage(data))
	}
	return nil
}
